"""What has happened, kept in the outbox until it is delivered."""
