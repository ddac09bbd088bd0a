//! Cosigned checkpoints.

use saphan_hub::shards::Shard;
use saphan_hub::store::{KeptCosigned, Store};
use saphan_hub::witnesses::Cosigned;

pub(super) async fn of_each_log_the_cosigned_checkpoint_of_most_entries_is_kept(store: &dyn Store) {
    let log = |number, first| Shard { number, first, origin: format!("hub.example/log/{number}") };
    let (first, second) = (log(0, 0), log(1, 90));
    let kept = |size, text: &str, by_all| KeptCosigned { cosigned: Cosigned { size, text: text.to_owned() }, by_all };
    assert_eq!(store.kept_cosigned(&first).await.unwrap(), None);
    store.keep_cosigned(&first, &kept(5, "five", false)).await.unwrap();
    store.keep_cosigned(&second, &kept(1, "other", false)).await.unwrap();
    assert_eq!(store.kept_cosigned(&first).await.unwrap(), Some(kept(5, "five", false)));
    // By one more, of more entries, and what comes too late.
    for (next, stays) in [
        (kept(5, "five again", true), kept(5, "five again", true)),
        (kept(90, "end", false), kept(90, "end", false)),
        (kept(6, "late", true), kept(90, "end", false)),
    ] {
        store.keep_cosigned(&first, &next).await.unwrap();
        assert_eq!(store.kept_cosigned(&first).await.unwrap(), Some(stays));
    }
    assert_eq!(store.kept_cosigned(&second).await.unwrap(), Some(kept(1, "other", false)));
}
