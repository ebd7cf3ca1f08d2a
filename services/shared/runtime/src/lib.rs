//! Start-up, configuration, telemetry, supervised tasks and shutdown.
