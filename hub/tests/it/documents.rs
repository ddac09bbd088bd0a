//! Documents: uploads, reading, who may, and what is stored.

mod citing;
mod reading;
mod scanning;
mod storing;
mod uploading;
