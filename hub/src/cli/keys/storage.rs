//! The storage keys, which no registry knows.

use anyhow::bail;

use crate::cli::run;
use crate::config::Config;
use crate::sealing::{StorageKeyId, StorageKeys, rewrap};
use crate::store::KeyIndex as _;
use crate::store::sqlite::SqliteStore;

/// Makes another one. A running hub takes it up by itself.
pub(super) fn rotate(config: &Config) -> anyhow::Result<()> {
    let key = config.key_store().add_storage()?;
    println!("{}", key.id());
    eprintln!("keep a copy of the new file in {} apart from this machine", config.hub.data_dir.display());
    eprintln!("a running hub uses it within a minute, also for what was wrapped before, and logs when that is done");
    Ok(())
}

/// Destroys the file of an old one, when everything is wrapped with the newest. A running hub might still wrap with the old one.
pub(super) fn revoke(id: StorageKeyId, config: &Config) -> anyhow::Result<()> {
    let Some(_lock) = run::lock(config)? else {
        bail!("the hub runs; stop it first, or remove the file once it has logged that the files of older keys can go");
    };
    let store = config.key_store();
    let keys = StorageKeys::new(store.open_storage()?);
    if keys.newest()? == id {
        bail!("{id} is the newest storage key; make another first: saphan-hub keys rotate storage");
    }
    if !keys.ids().contains(&id) {
        bail!("there is no storage key {id} in {}", config.hub.data_dir.display());
    }
    run::runtime()?.block_on(async {
        let index = SqliteStore::open(&config.store_file()).await?;
        rewrap::all(&keys, &index).await?;
        if index.storage_keys().await?.contains(&id) {
            bail!("{id} is still needed");
        }
        index.close().await?;
        Ok(())
    })?;
    store.remove_storage(id)?;
    println!("destroyed; nothing is wrapped with it any more");
    Ok(())
}
