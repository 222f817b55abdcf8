//! Cleans names once, and follows links only inside the archive.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::index::{TarBody, TarIndex};
use crate::error::ErrorKind;
use crate::limits;

/// A name that escapes the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClimbsOut;

/// Drops leading `/` and `./`, empty and `.` components, and resolves `..` inside the root.
pub(crate) fn clean(name: &str) -> Result<String, ClimbsOut> {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => (),
            ".." => drop(parts.pop().ok_or(ClimbsOut)?),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

impl TarIndex {
    /// The member at a path, after symbolic and hard links of the path and its folders; `None` if
    /// there is no such member.
    pub(crate) fn resolve(&self, path: &str) -> Result<Option<u32>, ErrorKind> {
        let outside = || ErrorKind::ClimbsOut { path: path.to_owned() };
        let mut todo: Vec<String> = components(path);
        let mut done = String::new();
        let mut hops = 0_usize;
        let mut last = None;
        while let Some(part) = todo.pop() {
            if part == ".." {
                if done.is_empty() {
                    return Err(outside());
                }
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            let folder = done.len();
            if folder > 0 {
                done.push('/');
            }
            done.push_str(&part);
            let Some((at, member)) = self.named(&done).next() else {
                last = None;
                continue;
            };
            last = Some(at);
            let target = match &member.body {
                TarBody::Symlink(target) => {
                    let absolute = target.starts_with('/');
                    done.truncate(if absolute { 0 } else { folder });
                    target
                }
                TarBody::Hardlink(target) => {
                    done.clear();
                    target
                }
                TarBody::File { .. } | TarBody::Directory | TarBody::Other(_) => continue,
            };
            hops = hops.saturating_add(1);
            let length = todo.iter().map(|part| part.len().saturating_add(1)).sum::<usize>();
            if hops > limits::LINK_HOPS {
                let limit = limits::LINK_HOPS as u64;
                return Err(ErrorKind::limit(
                    "the number of link hops for one path",
                    limit,
                    "more",
                ));
            }
            if target.is_empty() {
                return Err(ErrorKind::LinkLoop { path: path.to_owned() });
            }
            if length.saturating_add(target.len()).saturating_add(done.len()) > limits::PATH {
                let limit = limits::PATH as u64;
                return Err(ErrorKind::limit(
                    "a path while links are followed, in bytes,",
                    limit,
                    "more",
                ));
            }
            last = None;
            todo.extend(components(target));
        }
        Ok(last)
    }
}

/// The components of a path, in reverse order.
fn components(path: &str) -> Vec<String> {
    path.rsplit('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_once_and_never_climb_out() {
        for (name, cleaned) in [
            ("./a/layer.tar", Ok("a/layer.tar")),
            ("/manifest.json", Ok("manifest.json")),
            ("a/../b//c/", Ok("b/c")),
            ("a/../../b", Err(ClimbsOut)),
            ("", Ok("")),
        ] {
            assert_eq!(clean(name), cleaned.map(str::to_owned), "{name}");
        }
    }
}
