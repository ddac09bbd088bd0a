//! `saphan witness`, and the library behind it.

mod answers;
mod check;
mod history;
mod killed;
mod program;
mod state;
