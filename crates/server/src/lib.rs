//! A world over HTTP and MCP.
//!
//! It knows no SQL and no scheduler: requests are handed in at the world's desk, and what is read is read from the
//! last state that is on disk.

pub mod mcp;
