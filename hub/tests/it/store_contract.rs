//! The contract of the store, written against the trait: every implementation runs all of it.

mod acknowledgements;
mod bodies;
mod commits;
mod cosigned;
mod deliveries;
mod documents;
mod leases;
mod log_writer;
mod queries;
mod schemas;
mod timestamps;

use std::path::Path;
use std::sync::Arc;

use saphan_hub::sealing::{StorageKey, StorageKeys};
use saphan_hub::store::Store as _;
use saphan_hub::store::sqlite::SqliteStore;
use tempfile::TempDir;

/// Runs every part of the contract on stores that `$open` makes: fresh ones, with whatever they need to live.
macro_rules! contract {
    ($implementation:ident, $open:path, $($module:ident: [$($part:ident),+ $(,)?]),+ $(,)?) => {
        mod $implementation {
            $($(
                #[tokio::test]
                async fn $part() {
                    let (store, _keep) = $open().await;
                    super::$module::$part(&store).await;
                }
            )+)+
        }
    };
}

contract! {
    sqlite, super::sqlite_store,
    commits: [
        a_store_that_was_never_written_has_nothing,
        what_was_committed_is_read_back,
        a_trial_write_changes_nothing,
        a_batch_on_another_head_is_refused_and_nothing_written,
        a_batch_that_fails_in_its_middle_leaves_nothing,
        ids_are_unique_for_a_sender,
        ranges_are_cut_at_the_end_of_the_log,
        every_size_that_was_signed_has_its_checkpoint,
        registry_entries_are_found_among_the_others,
        tile_hashes_are_kept_level_by_level,
    ],
    leases: [
        a_lease_takes_the_oldest_of_its_recipient_up_to_its_rows,
        a_lease_takes_about_as_many_bytes_as_asked_for_and_one_message_at_least,
        what_is_leased_is_not_leased_again_before_the_lease_ends,
        a_lease_can_be_moved_by_its_owner_alone_and_while_it_lasts,
        some_rows_of_a_lease_can_be_given_back,
        what_expired_is_neither_leased_nor_kept,
    ],
    deliveries: [
        due_are_the_brokers_messages_that_were_not_confirmed,
        a_retry_is_due_at_its_time_and_counted,
        a_confirmed_message_is_due_again_until_it_is_acknowledged,
        due_stops_at_its_rows_and_bytes_and_says_so,
        what_was_never_settled_is_not_due_again,
        settling_what_is_gone_changes_nothing,
        what_expired_is_not_due,
    ],
    acknowledgements: [
        an_outcome_settles_its_message_and_ends_its_delivery,
        an_outcome_of_another_system_changes_nothing,
        the_first_outcome_stays,
        a_batch_is_known_by_its_receiver_and_id,
    ],
    queries: [
        a_query_is_kept_with_its_entry_or_not_at_all,
        queries_are_wrapped_again_with_everything_else,
    ],
    documents: [
        an_upload_grows_part_by_part_and_is_complete_once,
        an_upload_that_begins_anew_leaves_the_one_before_without_a_key,
        unfinished_uploads_are_counted_for_each_system,
        abandoned_and_received_uploads_are_found,
        the_parties_of_a_message_that_cites_a_document_may_read_it,
        keys_are_wrapped_again_and_what_was_destroyed_stays_so,
    ],
    bodies: [
        a_body_is_read_as_it_was_written_with_its_own_salt,
        without_keys_no_body_is_written_or_read,
        bodies_are_due_at_their_time_those_that_wait_longest_first,
        an_erased_body_is_gone_and_known_to_be,
        an_erasure_that_is_not_committed_erases_nothing,
    ],
    cosigned: [
        of_each_log_the_cosigned_checkpoint_of_most_entries_is_kept,
    ],
    timestamps: [timestamps_are_kept_in_the_order_of_sizes_and_each_once],
    schemas: [
        a_text_is_found_by_its_hash_and_kept_once,
    ],
}

/// A store in a folder that lives as long as it.
async fn sqlite_store() -> (SqliteStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open(&folder.path().join("hub.sqlite")).await, folder)
}

/// Sealing with a key that only it has.
async fn open(file: &Path) -> SqliteStore {
    let store = SqliteStore::open(file).await.unwrap();
    store.seal_with(Arc::new(StorageKeys::new([StorageKey::generate(1).unwrap()])));
    store
}

#[tokio::test]
async fn a_store_that_was_closed_holds_everything_when_it_is_opened_again() {
    use log_writer::LogWriter;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.sqlite");
    let store = open(&file).await;
    let mut log = LogWriter::new();
    let batch = log.batch(vec![LogWriter::message("a")]);
    store.commit(&batch).await.unwrap();
    store.close().await.unwrap();
    let store = SqliteStore::open(&file).await.unwrap();
    assert_eq!(store.head().await.unwrap(), Some(batch.head));
    assert_eq!(store.counts().await.unwrap().outbox_pull, 1);
}

#[tokio::test]
async fn a_trial_write_writes_to_the_disk() {
    let (store, folder) = sqlite_store().await;
    let log = || std::fs::metadata(folder.path().join("hub.sqlite-wal")).unwrap().len();
    for _ in 0..2 {
        let before = log();
        store.probe().await.unwrap();
        assert!(log() > before, "nothing was written");
    }
}
