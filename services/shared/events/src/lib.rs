//! The event bus, outbox, inbox, relay and dead letters.
