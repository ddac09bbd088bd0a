//! The Saphan hub: checks, signs, logs and routes service messages.
//!
//! The log is the source of truth: a message is accepted when its leaf is in a committed, signed checkpoint; everything else
//! follows from the log. In the order of a message's way:
//!
//! - [`http`]: the router, thin handlers, problems;
//! - [`submission`], [`admission`], [`refusals`]: whether a message is acceptable, and what follows;
//! - [`ledger`]: the log's one writer: group commit, checkpoints, receipts, proofs;
//! - [`store`]: what is kept, behind one trait; [`sealing`]: what only the hub can read, each thing under a key of its own;
//! - [`routing`]: the relay to the broker, and the inbox that systems pull from;
//! - [`broker`]: who may do what at the broker, and when that ends;
//! - [`acknowledging`]: what receivers state;
//! - [`documents`]: files that travel beside messages;
//! - [`erasing`]: how bodies end;
//! - [`used_tokens`]: each request token once;
//! - [`limits`]: what one system may ask for and hold; [`caller`]: who a request proved to be from;
//! - [`cases`]: applications and their evidence, asked for once;
//! - [`audit`]: what auditors search, and that they did;
//! - [`console`]: the auditors' pages, made with [`html`];
//! - [`registry`]: members, systems, keys, agreements as a fold over the log;
//! - [`catalogue`]: what can be asked about services and evidence types;
//! - [`witnesses`]: who cosigns the log's checkpoints; [`timestamps`]: who says when they existed; [`publication`]: the log as files for everybody; [`continuity`]: whether
//!   the store has all that they have seen;
//! - [`tls`], [`connections`]: what carries the requests;
//! - [`app`], [`serve`], [`config`], [`keys`], [`metrics`], [`clock`], [`cli`]: the program around it.

pub mod acknowledging;
pub mod admission;
pub mod app;
pub mod audit;
pub mod broker;
pub mod caller;
pub mod cases;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connections;
pub mod console;
pub mod continuity;
pub mod documents;
pub mod erasing;
pub mod html;
pub mod http;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod metrics;
mod objects;
pub mod publication;
pub mod refusals;
pub mod registry;
pub mod routing;
pub mod sealing;
pub mod serve;
pub mod shards;
pub mod store;
pub mod submission;
pub mod timestamps;
pub mod tls;
pub mod used_tokens;
pub mod witnesses;
