//! Documents: uploads, reading, who may, and what is stored.

#[cfg(feature = "s3")]
mod bucket;
mod citing;
mod reading;
mod scanning;
mod storing;
mod uploading;
