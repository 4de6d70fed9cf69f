//! Runs agent-written code.
