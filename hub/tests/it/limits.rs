//! What one system may ask for and hold, and how long a connection is borne: beyond it the answer says how long to wait, and
//! others do not notice.

mod flood;
mod rates;
mod shares;
mod slowness;
