//! `saphan witness`, and the library behind it.

mod answers;
mod history;
mod killed;
mod program;
mod state;
