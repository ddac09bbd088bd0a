//! The style sheet, the script and the icon: files of their own, so that pages need nothing inline and nothing from elsewhere.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

/// One of them.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    let (media_type, text) = match name.as_str() {
        "portal.css" => ("text/css; charset=utf-8", STYLE),
        "progress.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, "max-age=300")], text).into_response()
}

pub(super) const STYLE: &str = include_str!("../assets/portal.css");
const SCRIPT: &str = include_str!("../assets/progress.js");
const ICON: &str = include_str!("../assets/icon.svg");

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn colour(name: &str) -> &'static str {
        let line = STYLE.lines().find_map(|line| line.trim().strip_prefix(&format!("--{name}: ")));
        line.unwrap_or_else(|| panic!("no colour {name}")).trim_end_matches(';')
    }

    #[test]
    fn texts_are_told_from_their_backgrounds() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.01);
        for (text, behind) in [
            ("ink", "paper"),
            ("ink", "panel"),
            ("quiet", "paper"),
            ("quiet", "panel"),
            ("link", "paper"),
            ("link", "panel"),
            ("danger", "paper"),
            ("danger", "panel"),
            ("good", "paper"),
            ("good", "panel"),
            ("paper", "link"),
            ("paper", "header"),
            ("ink", "notice"),
        ] {
            let found = contrast(colour(text), colour(behind));
            assert!(found >= 4.5, "{text} on {behind}: {found:.2}");
        }
        // What is no text: borders of inputs, and the focus ring.
        for (line, behind) in [("border", "paper"), ("focus", "paper"), ("focus", "panel")] {
            assert!(contrast(colour(line), colour(behind)) >= 3.0, "{line} on {behind}");
        }
    }

    #[test]
    fn every_colour_is_one_of_the_palette() {
        let outside = STYLE.lines().filter(|line| line.contains('#') && !line.trim().starts_with("--"));
        assert_eq!(outside.collect::<Vec<_>>(), Vec::<&str>::new());
    }
}
