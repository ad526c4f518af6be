//! Settings of a training run besides its model, as plain data.

pub mod data;
mod decode;
pub mod init;
pub mod optimizer;
pub mod problem;
