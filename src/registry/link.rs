//! The next page of a list: the `Link` field (RFC 8288) as registries write it.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::header::FieldText;

/// The target of the first link to the next page, as written: it is still to be resolved and its
/// origin to be judged. What follows a syntax error in one field is not read.
pub(crate) fn next_page<'a>(fields: impl IntoIterator<Item = &'a str>) -> Option<String> {
    fields.into_iter().find_map(|field| next_in(FieldText::new(field)))
}

fn next_in(mut text: FieldText<'_>) -> Option<String> {
    loop {
        text.commas();
        if !text.eat('<') {
            return None;
        }
        let target = text.until(|it| it == '>');
        if !text.eat('>') {
            return None;
        }
        if is_next(&mut text)? {
            return Some(target.to_owned());
        }
    }
}

/// Whether the parameters of a link say that it is the next page of this one. The first `rel`
/// counts; a link with an `anchor` is about another page. `None` after a syntax error.
fn is_next(text: &mut FieldText<'_>) -> Option<bool> {
    let (mut relation, mut elsewhere) = (None, false);
    loop {
        text.blanks();
        if !text.eat(';') {
            break;
        }
        text.blanks();
        let name = text.token();
        text.blanks();
        let value = if text.eat('=') {
            text.blanks();
            text.value()?
        } else {
            String::new()
        };
        if name.eq_ignore_ascii_case("rel") {
            relation.get_or_insert(value);
        } else {
            elsewhere |= name.eq_ignore_ascii_case("anchor");
        }
    }
    let relation = relation.unwrap_or_default();
    Some(!elsewhere && relation.split(' ').any(|it| it.eq_ignore_ascii_case("next")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_as_registries_write_it() {
        let tables: &[(&[&str], Option<&str>)] = &[
            (
                &["</v2/a/tags/list?last=x&n=100>; rel=\"next\""],
                Some("/v2/a/tags/list?last=x&n=100"),
            ),
            (&["<https://h/v2/?a,b;c>;rel=next"], Some("https://h/v2/?a,b;c")),
            (&["</x> ; title=\"a, <b>; rel=next\" ; REL = \"NEXT\""], Some("/x")),
            (&["</p>; rel=prev, </n>; rel=\"last next\""], Some("/n")),
            (&["</p>; rel=prev", "</n>; rel=next"], Some("/n")),
            (&["</a>; rel=next, </b>; rel=next"], Some("/a")),
            (&["<>; rel=next"], Some("")),
            // Not the next page of this one.
            (&["</a>; rel=nextish"], None),
            (&["</a>; rel=prev; rel=next"], None),
            (&["</a>; rel=next; anchor=\"/other\""], None),
            (&["</a>"], None),
            (&["</a>; rel"], None),
            (&[], None),
        ];
        for (fields, expected) in tables {
            assert_eq!(next_page(fields.iter().copied()).as_deref(), *expected, "{fields:?}");
        }
    }

    #[test]
    fn a_hostile_link_has_no_next_page_and_does_not_panic() {
        for field in [
            "",
            ",",
            "<",
            "</a",
            "</a; rel=next",
            "/a; rel=next",
            "</a>; rel=\"next",
            "</a>; rel=\"next\\",
            "</a>;;;;",
            "</a>x</b>; rel=next",
            "</ä>; é=next",
        ] {
            assert_eq!(next_page([field]), None, "{field:?}");
        }
        for part in ["<a>,", "<a>;", "<", ";=", "<a>;a=\"", "\\"] {
            next_page([part.repeat(20_000).as_str()]);
        }
    }
}
