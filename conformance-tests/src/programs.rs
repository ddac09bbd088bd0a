//! The real programs of the workspace, built in the profile of the tests themselves.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, ensure};

/// `saphan-hub` itself, up to date.
///
/// # Errors
/// When it cannot be built.
pub fn saphan_hub() -> anyhow::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build("saphan-hub").map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

/// `saphan` itself, up to date.
///
/// # Errors
/// When it cannot be built.
pub fn saphan() -> anyhow::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build("saphan").map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

/// Cargo's lock is free while tests run. The features are those of the whole workspace, so that nothing is built twice.
fn build(program: &str) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--workspace", "--all-features", "--bin", program]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    ensure!(command.status().context("cargo cannot be run")?.success(), "{program} cannot be built");
    // A test's own file is target/<profile>/deps/<name>; a program's is target/<profile>/<name>.
    let own = std::env::current_exe()?;
    let profile = own.ancestors().find(|folder| folder.join(program).is_file());
    Ok(profile.with_context(|| format!("{program} was built elsewhere"))?.join(program))
}
