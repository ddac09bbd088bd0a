//! Times as people in Thailand read them. The country has one time zone, and its clocks never change.

use saphan_schemas::message_types::Timestamp;

use crate::html::{Element, el};

/// A moment, in milliseconds since 1970, for people and for programs.
pub(super) fn time(at: u64) -> Element {
    let text = local(at);
    el("time").attr("datetime", format!("{}+07:00", text.replace(' ', "T"))).with(text)
}

/// The same, with milliseconds where they were kept.
pub(super) fn precise(at: u64) -> Element {
    let fraction = if at.is_multiple_of(1000) { String::new() } else { format!(".{:03}", at % 1000) };
    let text = local(at) + &fraction;
    el("time").attr("datetime", format!("{}+07:00", text.replace(' ', "T"))).with(text)
}

/// A moment, e.g. `2026-11-28 15:01:10`.
pub(super) fn local(at: u64) -> String {
    let moment = Timestamp::from_unix_seconds(at / 1000 + OFFSET_SECONDS);
    moment.map_or_else(|_| at.to_string(), |moment| moment.as_str().trim_end_matches('Z').replace('T', " "))
}

/// The time of day, e.g. `15:01:10`.
pub(super) fn clock(at: u64) -> String {
    local(at).split_once(' ').map(|(_, clock)| clock.to_owned()).unwrap_or_default()
}

/// What a field for date and time holds, in milliseconds since 1970.
pub(super) fn parse(text: &str) -> Option<u64> {
    let seconds = if text.len() == "2026-11-28T15:01".len() { ":00" } else { "" };
    let moment: Timestamp = format!("{}{seconds}+07:00", text.replace(' ', "T")).parse().ok()?;
    Some(moment.unix_ms())
}

/// How long something took, e.g. `1.2 s`.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

const OFFSET_SECONDS: u64 = 7 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_and_read_in_thai_time() {
        assert_eq!(local(1_795_554_249_999), "2026-11-25 04:04:09");
        assert_eq!(parse("2026-11-25T04:04:09"), Some(1_795_554_249_000));
        assert_eq!(parse("2026-11-25T04:04"), Some(1_795_554_240_000));
        for text in ["", "2026-11-25", "2026-11-25T04:04Z", "2026-02-30T04:04", "<script>", "สวัสดี"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_short() {
        let said = [999, 1_250, 119_999, 120_000, 7_200_000, 172_800_000].map(duration);
        assert_eq!(said, ["999 ms", "1.2 s", "119.9 s", "2 min", "2 h", "2 d"]);
    }
}
