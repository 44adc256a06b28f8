"""Orchestration only: settings, the stages, the nightly flow, its schedule and the command line."""
