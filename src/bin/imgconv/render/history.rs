//! Prints histories as tables like docker.

use std::fmt::Write as _;

use imgconv::error::Shown;
use imgconv::history::{Histories, HistoryStep, ImageHistory};

use super::{Width, names, whole};

/// One table per image, under its names if there are several images.
pub(crate) fn histories(all: &Histories, width: Width) -> String {
    let mut text = String::new();
    for (at, image) in all.images.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        if all.images.len() > 1 {
            let platform = Shown(&image.platform);
            let _ = writeln!(text, "{} ({platform})", names(&image.names));
        }
        table(&mut text, image, width);
    }
    text
}

const HEAD: [&str; 6] = ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT", "DIFF ID"];

fn table(text: &mut String, image: &ImageHistory, width: Width) {
    let head = HEAD.map(str::to_owned);
    let mut rows = vec![head];
    for (at, step) in image.steps.iter().enumerate() {
        let id = if at == 0 { image.image_id.as_str() } else { "<missing>" };
        rows.push(row(id, step, width));
    }
    let mut widths = [0_usize; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}   ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// One line; shortened as in docker if narrow.
fn row(id: &str, step: &HistoryStep, width: Width) -> [String; 6] {
    let created_by = Shown(&step.created_by.replace('\t', " ")).to_string();
    let comment = Shown(&step.comment).to_string();
    let size = step.files_size.map_or_else(|| "-".to_owned(), docker_size);
    let diff_id = step.diff_id.clone();
    if width == Width::Wide {
        let full = whole(&step.created_by.replace('\t', " "));
        let diff_id = diff_id.unwrap_or_else(|| "empty".to_owned());
        return [id.to_owned(), step.created.clone(), full, size, comment, diff_id];
    }
    let short = |id: &str| id.trim_start_matches("sha256:").chars().take(12).collect::<String>();
    let day = step.created.chars().take(10).collect();
    let diff_id = diff_id.map_or_else(|| "empty".to_owned(), |id| short(&id));
    [short(id), day, cut(&created_by), size, comment, diff_id]
}

/// At most 45 characters, as docker shows them.
fn cut(text: &str) -> String {
    if text.chars().count() <= 45 {
        return text.to_owned();
    }
    let mut text: String = text.chars().take(44).collect();
    text.push('…');
    text
}

/// As docker prints sizes: three significant digits, powers of 1000 (go-units `HumanSize`).
fn docker_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    // Go's %.3g, without exponents or trailing zeros.
    let digits = if size >= 100.0 {
        0
    } else if size >= 10.0 {
        1
    } else {
        2
    };
    let number = format!("{size:.digits$}");
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => &number,
    };
    // 999.6 rounds to 1000, which Go prints as 1e+03.
    let number = if number == "1000" { "1e+03" } else { number };
    format!("{number}{}", UNITS.get(unit).copied().unwrap_or_default())
}
