"""The vault: what is sealed opens with its key and in its place, and nowhere else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from karvan.vault import SecretLost, Vault, read_secret


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


@pytest.mark.parametrize("text", ["", "s3cret", "пароль", "密码" * 5000, "k1:00000000:x"])
def test_what_was_sealed_opens_in_its_place(vault: Vault, text: str) -> None:
    sealed = vault.seal(text, "setting/shop/token")
    assert Vault.is_sealed(sealed)
    assert not text or text not in sealed
    assert vault.open(sealed, "setting/shop/token") == text


def test_the_same_text_is_never_sealed_twice_alike(vault: Vault) -> None:
    assert vault.seal("same", "a") != vault.seal("same", "a")


def test_another_process_with_the_same_home_opens_it(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.seal("s3cret", "a")
    assert Vault(tmp_path).open(sealed, "a") == "s3cret"


def test_what_is_copied_to_another_place_does_not_open(vault: Vault) -> None:
    sealed = vault.seal("s3cret", "setting/shop/token")
    with pytest.raises(SecretLost, match="'setting/thief/token' can't be opened: it was altered, or sealed"):
        vault.open(sealed, "setting/thief/token")


def test_another_key_does_not_open_it_and_the_message_names_both(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.seal("s3cret", "a")
    other = Vault(tmp_path / "other")
    ids = [v.seal("", "a").split(":")[1] for v in (vault, other)]
    with pytest.raises(SecretLost, match=f"with the key {ids[0]}, and .* holds {ids[1]}") as refused:
        other.open(sealed, "a")
    assert "s3cret" not in refused.value.message


def test_every_altered_character_is_noticed(vault: Vault) -> None:
    sealed = vault.seal("s3cret", "a")
    for at in range(len("k1:00000000:"), len(sealed.rstrip("="))):
        swapped = "B" if sealed[at] == "A" else "A"
        altered = sealed[:at] + swapped + sealed[at + 1 :]
        try:
            opened = vault.open(altered, "a")
        except SecretLost:
            continue
        assert opened == "s3cret"  # the last character carries bits that stand for nothing
        assert at == len(sealed.rstrip("=")) - 1


@pytest.mark.parametrize(
    "stored", ["", "s3cret", "k1:", f"k2:00000000:{'A' * 40}", f"k1:0000000g:{'A' * 40}"]
)
def test_what_is_no_sealed_text_is_said_to_be_none(vault: Vault, stored: str) -> None:
    assert not Vault.is_sealed(stored)
    with pytest.raises(SecretLost, match="is no sealed text"):
        vault.open(stored, "a")


def test_neither_the_key_nor_its_file_stands_in_what_is_sealed(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.seal("s3cret", "a")
    key_id = sealed.split(":")[1]
    assert key_id not in read_secret(tmp_path)


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = read_secret(tmp_path / "new")
    assert read_secret(tmp_path / "new") == first
    assert stat.S_IMODE((tmp_path / "new/secret.key").stat().st_mode) == 0o600
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["secret.key"]


@pytest.mark.parametrize("content", ["", "short", "\n" * 64])
def test_a_damaged_key_is_refused_rather_than_used(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret.key").write_text(content, encoding="ascii")
    with pytest.raises(SecretLost, match="the file is damaged"):
        read_secret(tmp_path)
    with pytest.raises(SecretLost, match="the file is damaged"):
        Vault(tmp_path).seal("s3cret", "a")
