//! A world over HTTP and MCP.
//!
//! It knows no SQL and no scheduler: requests are handed in at the world's desk, and what is read is read from the
//! last state that is on disk.

mod acts;
mod auth;
mod besides;
mod call;
mod door;
mod events;
mod feeds;
mod forms;
mod house;
mod limits;
mod looks;
pub mod mcp;
mod metrics;
mod nats;
mod openapi;
mod pages;
mod pieces;
mod problem;
mod publish;
mod readings;
mod routes;
mod schemas;
mod serve;
mod steer;
mod tokens;

pub use self::{
    door::DoorSetup,
    house::{HouseError, HouseServer, HouseSetup, house_reference},
    limits::{BODY_BYTES_MAX, Limits},
    nats::Nats,
    openapi::{document, reference},
    routes::{Answers, Field, ROUTES, Rank, Route, Schema, Verb},
    serve::{Server, listener},
    tokens::{LABEL_CHARS_MAX, Role, Secret, Token, TokenError, TokenFile, Tokens},
};
