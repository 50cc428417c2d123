"""The only module that knows the workspace's key: it seals texts that must not be read where they are kept.

The key is `<home>/secret.key`, made at the first start; what is sealed with it opens with it alone, and only
in the place it was sealed for. It signs the tokens of forms, too.
"""

from __future__ import annotations

import os
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from karvan_sdk.errors import KarvanError

NONCE = 12
SECRET_MIN = 32
"""Characters of the shortest `secret.key` that is taken for one; Karvan makes 64."""
_SEALED = re.compile(r"k1:([0-9a-f]{8}):([A-Za-z0-9_-]{38,}={0,2})")


class SecretLost(KarvanError):
    """A sealed secret can't be opened with this workspace's key; the message says what to do."""

    code = "secret_lost"
    template = "The secret '{place}' can't be opened: {reason}"


class Vault:
    """Seals and opens texts (AES-256-GCM, its key by HKDF-SHA256, RFC 5869). Making one reads nothing.

    A sealed text is `k1:<key id>:<base64url of nonce and ciphertext>`, the key id 8 hex digits that tell
    nothing of the key. `place` names where the text is kept, in words that differ for no two places
    (`setting/telephony/token`): what is copied to another place does not open there.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    def seal(self, text: str, place: str) -> str:
        """The text sealed for a place; twice the same text gives two different ones."""
        nonce = secrets.token_bytes(NONCE)
        sealed = self._cipher.encrypt(nonce, text.encode(), place.encode())
        return f"k1:{self._key_id}:{urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, place: str) -> str:
        """The text that was sealed for this place. Raises SecretLost."""
        found = _SEALED.fullmatch(sealed)
        if found is None:
            raise SecretLost(place=place, reason="what is stored is no sealed text. Enter the secret again.")
        key_id, data = found[1], urlsafe_b64decode(found[2])
        if key_id != self._key_id:
            reason = (
                f"it was sealed with the key {key_id}, and {self._home / 'secret.key'} holds {self._key_id}."
                " Put the former file back, or enter the secret again."
            )
            raise SecretLost(place=place, reason=reason)
        try:
            return self._cipher.decrypt(data[:NONCE], data[NONCE:], place.encode()).decode()
        except InvalidTag as exc:
            reason = "it was altered, or sealed for another place. Enter the secret again."
            raise SecretLost(place=place, reason=reason) from exc

    @staticmethod
    def is_sealed(text: str) -> bool:
        """Whether the text has the form of a sealed one; says nothing of whether it opens."""
        return _SEALED.fullmatch(text) is not None

    @cached_property
    def _cipher(self) -> AESGCM:
        return AESGCM(self._derive(b"karvan vault 1", 32))

    @cached_property
    def _key_id(self) -> str:
        return self._derive(b"karvan vault 1 key id", 4).hex()

    def _derive(self, purpose: bytes, length: int) -> bytes:
        """Key material for one purpose; the file itself is never used as a key."""
        secret = read_secret(self._home)
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(secret.encode())


def read_secret(home: Path) -> str:
    """The secret of the workspace; made at the first start, the same for all processes.

    Raises SecretLost where the file is there but too short to be a secret.
    """
    path = home / "secret.key"
    try:
        return _checked(path)
    except FileNotFoundError:
        pass
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f"secret.key.{os.getpid()}.{secrets.token_hex(4)}"
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_hex(32), encoding="ascii")
    try:
        os.link(draft, path)  # of several workers that start at once the first one's stays
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return _checked(path)


def _checked(path: Path) -> str:
    secret = path.read_bytes().decode("ascii", "replace").strip()
    if len(secret) < SECRET_MIN:
        reason = f"the file is damaged: it holds less than {SECRET_MIN} characters. Put back a copy of it."
        raise SecretLost(place=str(path), reason=reason)
    return secret
