"""Commands that write, as people call them on a night of the tests; `place` is the folder of its settings."""

WRITERS = {
    "nightly": ["nightly"],
    "ingest": ["ingest"],
    "embed": ["embed"],
    "profile": ["profile"],
    "generate": ["generate"],
    "publish": ["publish"],
    "register": ["register"],
    "maintain": ["maintain"],
    "crowd": ["crowd", "--renew"],
    "opt-out": ["opt-out", "1"],
    "forget": ["forget", "1"],
    "backup": ["backup", "{place}/backup-{attempt}"],
    "restore": ["restore", "{place}/kept"],
    "export": ["export", "{place}/export-{attempt}"],
    "draw": ["draw", "a western", "--user", "1", "--output", "{place}/a.png"],
    "init": ["init", "{place}/logs", "--yes", "--output", "{place}/new.toml"],
    "calibrate": ["calibrate", "--cases", "2", "--output", "{place}/new.toml"],
}
"""`restore` needs a backup in `kept`; what must be new in each attempt has its number."""
NO_SETTINGS = {"init"}
