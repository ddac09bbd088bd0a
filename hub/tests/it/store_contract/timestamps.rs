//! Timestamps.

use saphan_hub::shards::Shard;
use saphan_hub::store::Store;
use saphan_schemas::log::Stamped;

pub(super) async fn timestamps_are_kept_in_the_order_of_sizes_and_each_once(store: &dyn Store) {
    let log = &Shard { number: 0, first: 0, origin: "hub.example/log/main".to_owned() };
    assert_eq!(store.newest_timestamp(log).await.unwrap(), None);
    assert_eq!(store.timestamps(log, 0, 256).await.unwrap(), []);
    let all = [(5, 100), (9, 90), (300, 200)].map(|(size, time)| Stamped { size, time });
    for stamped in all {
        store.keep_timestamp(log, stamped, &stamped.size.to_be_bytes()).await.unwrap();
    }
    // Those that are there already, and one that comes too late.
    for size in [5, 7, 300] {
        store.keep_timestamp(log, Stamped { size, time: 1 }, b"other").await.unwrap();
    }
    assert_eq!(store.timestamps(log, 0, 256).await.unwrap(), all);
    assert_eq!(store.timestamps(log, 1, 1).await.unwrap(), all[1..2]);
    assert_eq!(store.timestamps(log, 3, 256).await.unwrap(), []);
    assert_eq!(store.newest_timestamp(log).await.unwrap(), Some((3, all[2])));
    assert_eq!(store.timestamp(log, 300).await.unwrap(), Some(300_u64.to_be_bytes().to_vec()));
    assert_eq!(store.timestamp(log, 7).await.unwrap(), None);
}
