//! Once only: an application, its evidence, and what becomes of it.

mod applications;
mod consent;
mod damage;
mod disk_full;
mod evidence;
mod foreigner;
mod own_key;
mod proceedings;
mod questions;
mod reuse;
mod sharing;
pub(crate) mod stage;
mod trace;
mod watching;
