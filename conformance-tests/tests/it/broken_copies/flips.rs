//! Single bits flipped anywhere in the two logs of a real hub and in evidence bundles: two verifiers say the same of each, and what both let
//! pass has no meaning.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::{StreamExt as _, stream};
use saphan_cli::log_check::{LogSource, SourceError};
use saphan_schemas::evidence_bundle::{EvidenceBundle, Proven};
use saphan_schemas::json::parse_typed;
use saphan_schemas::log::{NoteSignature, VerifierKey};
use saphan_timestamps::Timestamp;

use super::real_log::{Files, NEXT, RealLog, shard};
use super::shards::Stage;
use super::stamps::Timestamped;
use super::{Export, HOLDS, shard_bundles, verdict, write};
use crate::agency::done;

/// A bit of a file.
#[derive(Clone)]
struct Flip {
    path: String,
    bit: usize,
}

impl Flip {
    fn of(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes[self.bit / 8] ^= 1 << (self.bit % 8);
        bytes
    }

    /// The pair of logs that it is in.
    fn pair(&self) -> &str {
        self.path.split('/').next().unwrap()
    }
}

/// A log in memory, and those beside it, one of them with a bit flipped.
struct Flipped {
    files: Arc<Files>,
    log: String,
    flip: Flip,
}

impl LogSource for Flipped {
    fn fetch<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<u8>, SourceError>> {
        async move {
            let path = format!("{}/{}/{path}", self.flip.pair(), self.log);
            let bytes = self.files.get(&path).ok_or(SourceError::NotFound)?;
            Ok(if path == self.flip.path { self.flip.of(bytes) } else { bytes.clone() })
        }
        .boxed()
    }

    fn beside(&self, shard: &str) -> Option<Box<dyn LogSource>> {
        Some(Box::new(Self { files: Arc::clone(&self.files), log: shard.to_owned(), flip: self.flip.clone() }))
    }
}

/// A bundle, whose key is trusted, and by whom it was stamped, if it was.
struct Bundle {
    bytes: Vec<u8>,
    vkey: VerifierKey,
    stamped: Option<Timestamped>,
}

impl Bundle {
    fn judge(&self, flip: &Flip) -> &'static str {
        let Ok(bundle) = parse_typed::<EvidenceBundle>(&flip.of(&self.bytes)) else { return "malformed-file" };
        let stamped = |proven| self.stamped.as_ref().map_or(HOLDS, |stamped| stamped.judge(&proven));
        bundle.verify(&self.vkey).map_or_else(|fault| fault.class(), stamped)
    }

    /// Everything that these bytes prove. What of their tokens is signed by nobody who is trusted is left out: certificates that the
    /// authority sent along, and that whoever trusts it has.
    fn proves(&self, bytes: &[u8]) -> Option<(Proven, Option<Vec<Timestamp>>)> {
        let mut proven = parse_typed::<EvidenceBundle>(bytes).ok()?.verify(&self.vkey).ok()?;
        let timestamps = self.stamped.as_ref().map(|stamped| stamped.verify(&proven)).transpose().ok()?;
        proven.stamped.iter_mut().for_each(|tree| tree.token.clear());
        Some((proven, timestamps))
    }

    /// Whether it proves the same with it.
    fn has_no_use_of(&self, flip: &Flip) -> bool {
        let flipped = self.proves(&flip.of(&self.bytes));
        flipped.is_some() && flipped == self.proves(&self.bytes)
    }
}

/// What is flipped, and what it is judged by.
struct Judge {
    /// The files of two pairs of logs: `<pair>/<shard>/…`.
    files: Arc<Files>,
    /// The keys of the first and the newest logs of both pairs.
    vkeys: BTreeMap<&'static str, [VerifierKey; 2]>,
    bundles: BTreeMap<&'static str, Bundle>,
}

impl Judge {
    async fn judge(&self, flip: &Flip) -> String {
        if let Some(bundle) = self.bundles.get(&*flip.path) {
            return bundle.judge(flip).to_owned();
        }
        let source = Flipped { files: Arc::clone(&self.files), log: NEXT.to_owned(), flip: flip.clone() };
        verdict(&source, &self.vkeys[flip.pair()][1]).await
    }

    /// Whether nobody who trusts the logs' keys reads anything else because of it.
    fn is_meaningless(&self, flip: &Flip) -> bool {
        if let Some(bundle) = self.bundles.get(&*flip.path) {
            return bundle.has_no_use_of(flip);
        }
        if !flip.path.ends_with("/checkpoint") {
            return false;
        }
        // Nobody needs the line of the key to which the first log's was rotated; the newest log has one key.
        let text = std::str::from_utf8(&self.files[&flip.path]).unwrap();
        let [first, newest] = &self.vkeys[flip.pair()];
        let (mut lines, at) = (text.split_inclusive('\n'), flip.bit / 8);
        let mut end = 0;
        let line = lines.find(|line| {
            end += line.len();
            at < end
        });
        let signature = line.and_then(|line| NoteSignature::parse(line.trim_end_matches('\n')));
        signature.is_some_and(|line| !line.is_by(first) && !line.is_by(newest))
    }
}

/// Both verifiers on each flip in a small and a large pair of logs, and in bundles, of which that over the large one has
/// these timestamps.
pub(super) async fn flipped_bits([small, large]: [&RealLog; 2], export: &Export, stamped: Timestamped) {
    let (mut files, mut vkeys) = (Files::new(), BTreeMap::new());
    for (pair, log) in [(SMALL, small), (LARGE, large)] {
        for (shard, of_log) in [(shard(&log.origin), &log.ended), (NEXT, &log.next.files)] {
            files.extend(of_log.iter().map(|(path, bytes)| (format!("{pair}/{shard}/{path}"), bytes.clone())));
        }
        vkeys.insert(pair, [log.vkey.clone(), log.next.vkey.clone()]);
    }
    let folder = export.path("flips");
    write(&files, &folder);
    for (pair, [_, newest]) in &vkeys {
        std::fs::write(folder.join(pair).join("vkey"), newest.to_string()).unwrap();
    }
    let bundles = bundles(large, export, stamped).await;
    for (name, Bundle { bytes, vkey, .. }) in &bundles {
        std::fs::write(folder.join(name), bytes).unwrap();
        std::fs::write(folder.join(format!("{name}.vkey")), vkey.to_string()).unwrap();
    }
    let flips: Vec<Flip> = flips(&files, &bundles).collect();
    let judge = Arc::new(Judge { files: Arc::new(files), vkeys, bundles });
    let begun = Instant::now();
    let own = stream::iter(flips.clone()).map(|flip| {
        let judge = Arc::clone(&judge);
        tokio::spawn(async move { judge.judge(&flip).await })
    });
    let own = own.buffered(AT_ONCE).map(Result::unwrap).collect::<Vec<String>>();
    let lines = flips.iter().map(|Flip { path, bit }| format!("{path} {bit}"));
    let other = export.script("flips.py", "flips", &[NEXT, "../ca.pem"], lines);
    let (own, other) = tokio::join!(own, other);
    assert_eq!(other.len(), flips.len());
    let (mut classes, mut wrong) = (BTreeMap::<String, usize>::new(), Vec::new());
    for ((flip, own), other) in flips.iter().zip(own).zip(other) {
        if own != other || (own == HOLDS && !judge.is_meaningless(flip)) {
            wrong.push(format!("bit {} of {}: {own}, and {other}", flip.bit, flip.path));
        }
        let kind = flip.path.rsplit_once('/').map_or(&*flip.path, |(folder, _)| folder);
        *classes.entry(format!("{kind} {own}")).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{} of {FLIPS}:\n{}", wrong.len(), wrong.join("\n"));
    println!("{FLIPS} bits flipped, in {:?}: {classes:?}", begun.elapsed());
}

/// That over both logs, and one over a log that was abandoned, for who trusts the later one.
async fn bundles(log: &RealLog, export: &Export, stamped: Timestamped) -> BTreeMap<&'static str, Bundle> {
    let (stage, shard) = (Stage::new(log), shard(&log.origin));
    let next = shard_bundles::after_an_abandoned_log(&stage);
    write(&log.signed(&stage.begun), &export.path("abandoned").join(shard));
    write(&RealLog::signed_by(&[&stage.next], &next), &export.path("abandoned").join(NEXT));
    let vkey = stage.next.verifier_key().clone();
    std::fs::write(export.path("abandoned/vkey"), vkey.to_string()).unwrap();
    let (old, new) = (format!("{shard}:{}", stage.message), (next.len() - 1).to_string());
    let made = ["audit", "message", "abandoned/next", "--vkey", "abandoned/vkey", "--message", &old, "--message", &new];
    done(export.folder.path(), &[&made[..], &["--out", OVER]].concat()).await;
    let bundle =
        |name, vkey, stamped| (name, Bundle { bytes: std::fs::read(export.path(name)).unwrap(), vkey, stamped });
    [bundle(BUNDLE, log.next.vkey.clone(), Some(stamped)), bundle(OVER, vkey, None)].into()
}

/// Bits of the bundles, and of the logs: of the small ones any; and of the large ones, which have full tiles and levels, some of each
/// file, however small that is.
fn flips(files: &Files, bundles: &BTreeMap<&'static str, Bundle>) -> impl Iterator<Item = Flip> {
    let mut next = numbers();
    let of = |pair: &'static str| {
        let files = files.iter().filter(move |(path, _)| path.split('/').next() == Some(pair));
        files.map(|(path, bytes)| (path.clone(), bytes.len() * 8)).collect::<Vec<_>>()
    };
    let (small, large) = (of(SMALL), of(LARGE));
    let bundles: Vec<_> = bundles.iter().map(|(name, bundle)| (*name, bundle.bytes.len() * 8)).collect();
    let all: usize = small.iter().map(|(_, bits)| bits).sum();
    (0..FLIPS).map(move |number| match number % 10 {
        0..4 => {
            let (path, bits) = bundles[number % bundles.len()];
            Flip { path: path.to_owned(), bit: next() % bits }
        }
        4 => {
            let (path, bits) = &large[next() % large.len()];
            Flip { path: path.clone(), bit: next() % bits }
        }
        _ => {
            let mut bit = next() % all;
            let file = small.iter().find(|(_, bits)| {
                let is_here = bit < *bits;
                bit -= if is_here { 0 } else { *bits };
                is_here
            });
            Flip { path: file.unwrap().0.clone(), bit }
        }
    })
}

/// The same in every run, unless another seed is given.
fn numbers() -> impl FnMut() -> usize {
    let given = std::env::var("SAPHAN_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut state: u64 = given.unwrap_or(SEED);
    println!("SAPHAN_TEST_SEED={state}");
    move || {
        // Knuth's multiplier and increment; the upper bits are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap()
    }
}

const FLIPS: usize = 10_000;
const SEED: u64 = 20_261_128;
/// Flips that are judged side by side.
const AT_ONCE: usize = 4;
/// Two logs of one tile each.
const SMALL: &str = "small";
/// Two logs, of which the first has more than a full tile.
const LARGE: &str = "large";
const BUNDLE: &str = "evidence.json";
const OVER: &str = "over.json";
