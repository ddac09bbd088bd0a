//! A portal, four agencies, and the demo that starts a hub and lets them exchange applications.

pub mod local;
