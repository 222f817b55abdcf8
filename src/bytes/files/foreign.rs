//! Recognizes files that are not image archives by their first bytes.

/// A tar header has zero bytes; text does not.
pub(super) fn is_json(head: &[u8]) -> bool {
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'[')) && !head.contains(&0)
}

/// The type of a file that is not a tar, from its first bytes.
pub(crate) fn name(head: &[u8]) -> &'static str {
    match head {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            "it is UTF-16 text, as the > of PowerShell makes it of bytes; write the archive with \
             docker save -o FILE"
        }
        [b'P', b'K', 3 | 5, 4 | 6, ..] => "it is a zip file",
        [b'7', b'z', 0xbc, 0xaf, ..] => "it is a 7z file",
        _ if is_page(head) => "it is a web page, such as a server sends in place of a file",
        _ if is_json(head) => "it is a JSON document",
        _ => "it is not a tar, and not the beginning of one",
    }
}

/// Whether it is a web page.
pub(crate) fn is_page(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    ["<!doctype html", "<html"].iter().any(|tag| {
        text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()))
    })
}
