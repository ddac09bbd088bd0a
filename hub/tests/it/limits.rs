//! What one system may ask for: beyond it the answer says how long to wait, and others do not notice.

mod rates;
