"""What keeps a workspace whole: checksums of its files, what heals them, its copies. Commands come here."""
