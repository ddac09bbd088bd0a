//! Numbers over time: bars upon each other, or points that are joined.

use super::{line, picture, rectangle, text};
use crate::console::times::local;
use crate::html::{Element, Html, el};

/// What is drawn in one colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Series {
    pub(in super::super) name: String,
    pub(in super::super) class: &'static str,
    /// One for each slot; absent where there is none.
    pub(in super::super) values: Vec<Option<u64>>,
}

/// Slots with a name for screen readers, and how their numbers are written.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Plot<'a> {
    pub(in super::super) name: &'static str,
    pub(in super::super) title: &'a str,
    /// When each slot begins, in milliseconds since 1970.
    pub(in super::super) slots: &'a [u64],
    pub(in super::super) write: fn(u64) -> String,
}

impl Plot<'_> {
    /// Bars, the first series at the bottom.
    pub(in super::super) fn bars(&self, series: &[Series]) -> Element {
        let sum = |at| series.iter().filter_map(|one| value(one, at)).sum();
        let top = ceiling((0..self.slots.len()).map(sum).max().unwrap_or_default());
        let mut bars = Html::new();
        for at in 0..self.slots.len() {
            let (left, right) = (self.x(at), self.x(at + 1));
            let width = if right - left > 3 { right - left - 1 } else { (right - left).max(1) };
            let mut below = 0;
            for (one, count) in series.iter().filter_map(|one| Some((one, value(one, at).filter(|count| *count > 0)?)))
            {
                let (y, base) = (height(below + count, top), height(below, top));
                // What there is can be seen, however little it is.
                let y = y.min(base.saturating_sub(1));
                bars.push(rectangle(one.class, (left, y), (width, base - y)));
                below += count;
            }
        }
        self.around(series, top).with(bars)
    }

    /// Points, those of one series joined where slots follow each other.
    pub(in super::super) fn lines(&self, series: &[Series]) -> Element {
        let top = ceiling(series.iter().flat_map(|one| &one.values).flatten().copied().max().unwrap_or_default());
        let mut lines = Html::new();
        for one in series {
            let mut before = None;
            for (at, value) in one.values.iter().enumerate() {
                let point = value.map(|value| (self.x(at).midpoint(self.x(at + 1)), height(value, top)));
                if let Some((x, y)) = point {
                    let dot = el("circle").class(one.class).attr("r", "2.5");
                    lines.push(dot.attr("cx", x.to_string()).attr("cy", y.to_string()));
                    lines.push(before.map(|before| line(one.class, before, (x, y))));
                }
                before = point;
            }
        }
        self.around(series, top).with(lines)
    }

    /// Axes, and what screen readers say: the largest number of each series.
    fn around(&self, series: &[Series], top: u64) -> Element {
        let most = |one: &Series| {
            let most = one.values.iter().flatten().max().copied().unwrap_or_default();
            format!("{}: ≤ {}", one.name, (self.write)(most))
        };
        let description = series.iter().map(most).collect::<Vec<_>>().join("; ");
        let mut drawn = Html::new();
        for tick in [0, top / 2, top] {
            let y = height(tick, top);
            drawn.push(line("grid", (LEFT, y), (RIGHT, y)));
            drawn.push(text("tick y", (LEFT - 6, y + 4), &(self.write)(tick)));
        }
        let last = self.slots.len().saturating_sub(1);
        for (class, at) in [("tick first", 0), ("tick middle", last / 2), ("tick last", last)] {
            if let Some(slot) = self.slots.get(at) {
                let x = if at == 0 {
                    LEFT
                } else if at == last {
                    RIGHT
                } else {
                    self.x(at)
                };
                drawn.push(text(class, (x, BASE + 18), local(*slot).get(..16).unwrap_or_default()));
            }
        }
        picture(self.name, (WIDTH, HEIGHT), self.title, &description).class("plot").with(drawn)
    }

    fn x(&self, at: usize) -> u64 {
        LEFT + (RIGHT - LEFT) * at as u64 / (self.slots.len() as u64).max(1)
    }
}

fn value(series: &Series, at: usize) -> Option<u64> {
    series.values.get(at).copied().flatten()
}

fn height(value: u64, top: u64) -> u64 {
    let part = u128::from(BASE - CEILING) * u128::from(value.min(top)) / u128::from(top.max(1));
    BASE - u64::try_from(part).unwrap_or_default()
}

/// A round even number that is not less: 2, 4, 6, 10, 20, 40, 60, 100 …
fn ceiling(most: u64) -> u64 {
    let mut ten = 1_u64;
    loop {
        if let Some(round) =
            [2, 4, 6, 10].into_iter().map(|digit| ten.saturating_mul(digit)).find(|round| *round >= most)
        {
            return round;
        }
        ten = ten.saturating_mul(10);
    }
}

const WIDTH: u64 = 760;
const HEIGHT: u64 = 210;
const LEFT: u64 = 70;
const RIGHT: u64 = 750;
const CEILING: u64 = 14;
const BASE: u64 = 180;

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(slots: &[u64]) -> Plot<'_> {
        Plot { name: "p", title: "T", slots, write: |number| number.to_string() }
    }

    fn series(values: &[Option<u64>]) -> Series {
        Series { name: "<n>".into(), class: "a", values: values.to_vec() }
    }

    #[test]
    fn bars_stand_upon_each_other_and_the_highest_fits() {
        let drawn: Html = plot(&[0, 60_000]).bars(&[series(&[Some(3), None]), series(&[Some(1), Some(0)])]).into();
        let drawn = drawn.as_str();
        assert!(drawn.contains("y=\"56\" width=\"339\" height=\"124\""), "three of four: {drawn}");
        assert!(drawn.contains("y=\"14\" width=\"339\" height=\"42\""), "one more above: {drawn}");
        assert_eq!(drawn.matches("<rect").count(), 2);
        assert!(drawn.contains("&lt;n&gt;: ≤ 3") && !drawn.contains("<n>"));
    }

    #[test]
    fn points_are_joined_only_where_slots_follow_each_other() {
        let drawn: Html = plot(&[0, 1, 2, 3]).lines(&[series(&[Some(1), Some(2), None, Some(3)])]).into();
        let count = |what| drawn.as_str().matches(what).count();
        assert_eq!((count("<circle"), count("<line class=\"a\"")), (3, 1));
    }

    #[test]
    fn nothing_and_the_largest_numbers_can_be_drawn() {
        let _ = plot(&[]).bars(&[]);
        let _ = plot(&[0]).lines(&[series(&[Some(u64::MAX)])]);
        assert_eq!([0, 1, 3, 7, 99, 61, u64::MAX].map(ceiling), [2, 2, 4, 10, 100, 100, u64::MAX]);
    }
}
