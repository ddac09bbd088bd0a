//! What a page is made of. The page escapes `<` and `>` everywhere else, so tags are found by looking for them.

use std::collections::BTreeSet;

/// A page.
pub(crate) struct Markup<'a>(pub(crate) &'a str);

/// A tag that begins an element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag<'a> {
    pub(crate) name: &'a str,
    rest: &'a str,
}

impl<'a> Tag<'a> {
    pub(crate) fn attribute(&self, name: &str) -> Option<&'a str> {
        let start = self.rest.find(&format!(" {name}=\""))? + name.len() + 3;
        self.rest[start..].split('"').next()
    }
}

impl<'a> Markup<'a> {
    pub(crate) fn tags(&self) -> impl Iterator<Item = Tag<'a>> + use<'a> {
        self.0.split('<').skip(1).filter_map(|piece| {
            let inside = piece.split('>').next()?;
            let end = inside.find(' ').unwrap_or(inside.len());
            let (name, rest) = inside.split_at(end);
            name.starts_with(|letter: char| letter.is_ascii_lowercase()).then_some(Tag { name, rest })
        })
    }

    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = Tag<'a>> + use<'a, '_> {
        let name = name.to_owned();
        self.tags().filter(move |tag| tag.name == name)
    }

    /// The value of the input with this name.
    pub(crate) fn value_of(&self, name: &str) -> Option<&'a str> {
        self.named("input").find(|tag| tag.attribute("name") == Some(name))?.attribute("value")
    }

    /// What a screen reader, and the content security policy, need of every page.
    #[track_caller]
    pub(crate) fn check(&self, language: &str) {
        assert_eq!(self.named("html").next().unwrap().attribute("lang"), Some(language));
        for once in ["title", "h1", "main", "header", "footer", "nav"] {
            assert_eq!(self.named(once).count(), 1, "{once}");
        }
        let ids: Vec<_> = self.tags().filter_map(|tag| tag.attribute("id")).collect();
        let different: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), different.len(), "an id is there twice: {ids:?}");
        let labels: BTreeSet<_> = self.named("label").filter_map(|tag| tag.attribute("for")).collect();
        for input in self.tags().filter(|tag| ["input", "select", "textarea"].contains(&tag.name)) {
            let is_hidden = input.attribute("type") == Some("hidden");
            let is_labelled = input.attribute("id").is_some_and(|id| labels.contains(id));
            assert!(is_hidden || is_labelled, "no label: {input:?}");
        }
        assert_eq!(self.named("fieldset").count(), self.named("legend").count());
        for tag in self.tags() {
            for by in tag.attribute("aria-describedby").into_iter().flat_map(|ids| ids.split(' ')) {
                assert!(different.contains(by), "{by} describes something, and is not there");
            }
            let link = tag.attribute("href").and_then(|href| href.strip_prefix('#'));
            assert!(link.is_none_or(|id| different.contains(id)), "{link:?} leads nowhere");
            assert!(tag.attribute("style").is_none() && !tag.rest.contains(" on"), "inline: {tag:?}");
            let from = tag.attribute("src").or(tag.attribute("href")).or(tag.attribute("action"));
            assert!(from.is_none_or(|path| path.starts_with(['/', '#'])), "from elsewhere: {tag:?}");
        }
        assert!(self.named("script").all(|tag| tag.attribute("src").is_some()));
        assert!(self.0.contains("></script>") || self.named("script").count() == 0, "no script is inline");
        assert_eq!(self.named("style").count(), 0);
        let first_link = self.named("a").next().unwrap();
        assert_eq!(first_link.attribute("href"), Some("#main"));
    }
}
