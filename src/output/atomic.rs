//! Files that appear whole or not at all, and pipes that may close early.
//!
//! A file is written beside its place under another name, synced, and renamed. So whoever reads the
//! place sees the old report or the new one, and a full disk or a crash leaves the old one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::Pager;

/// Where something is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// Standard output, which is a terminal: long text goes through a pager.
    Paged(Pager),
    /// A file, which appears whole or not at all.
    File(PathBuf),
}

impl Destination {
    /// What `--output` names: `-` and `/dev/stdout` are standard output itself, since what that is
    /// redirected to must not be replaced.
    #[must_use]
    pub fn named(path: PathBuf) -> Self {
        if path == Path::new("-") || path == Path::new("/dev/stdout") {
            Self::Stdout
        } else {
            Self::File(path)
        }
    }

    /// Standard output through `pager`, if there is one; files stay files.
    #[must_use]
    pub fn paged(self, pager: Option<&Pager>) -> Self {
        match (self, pager) {
            (Self::Stdout, Some(pager)) => Self::Paged(pager.clone()),
            (other, _) => other,
        }
    }

    /// Fails now if writing would fail later for lack of a directory or of permission: a scan can take
    /// an hour.
    pub fn check(&self) -> io::Result<()> {
        let Self::File(path) = self else {
            return Ok(());
        };
        match Place::of(path)? {
            Place::Special(path) => OpenOptions::new().write(true).open(path).map(drop),
            Place::Regular(path) => beside(&path).map(drop),
        }
    }
}

/// Lets `write` write to `to`. A reader that has closed the pipe has had enough: that is no failure.
pub fn deliver(
    to: &Destination,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    match to {
        Destination::Stdout => patient(BufWriter::new(io::stdout().lock()), write),
        Destination::Paged(pager) => {
            let mut text = Vec::new();
            write(&mut text)?;
            pager.show(&text)
        }
        Destination::File(path) => match Place::of(path)? {
            Place::Special(path) => {
                let file = OpenOptions::new().write(true).open(path)?;
                patient(BufWriter::new(file), write)
            }
            Place::Regular(path) => replace(&path, write),
        },
    }
}

/// Writes to what may be a pipe.
fn patient(
    mut out: BufWriter<impl Write>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            // What is left in the buffer would be tried, and fail, once more.
            let (_, _) = out.into_parts();
            Ok(())
        }
        other => other,
    }
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // From here on, every way out but the last removes the temporary file.
    let temporary = beside(path)?;
    let mut out = BufWriter::new(temporary.as_file());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    inherit(path, temporary.as_file())?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    // The rename itself: not every file system can sync a directory, and the file is there already.
    let _ = File::open(directory(path)).and_then(|directory| directory.sync_all());
    Ok(())
}

/// What stands at a path, all symbolic links followed, so that a link stays a link.
enum Place {
    /// A file, or nothing yet.
    Regular(PathBuf),
    /// A device or a pipe: there is nothing to rename.
    Special(PathBuf),
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        // As many links as Linux follows (path_resolution(7)).
        for _ in 0..40 {
            // Descriptors of this process: the link's text need not be a path.
            if path.starts_with("/dev/fd") || path.starts_with("/proc") {
                return Ok(Self::Special(path));
            }
            match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Ok(Self::Regular(path));
                }
                Err(error) => return Err(error),
                Ok(found) if found.is_symlink() => {
                    let target = fs::read_link(&path)?;
                    path = directory(&path).join(target);
                }
                Ok(found) if found.is_dir() => return Err(ErrorKind::IsADirectory.into()),
                Ok(found) if found.is_file() => return Ok(Self::Regular(path)),
                Ok(_) => return Ok(Self::Special(path)),
            }
        }
        Err(io::Error::other("too many levels of symbolic links"))
    }
}

/// A new file in the same directory, and so on the same file system.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".satrail-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As a file made by a shell's redirection: the umask has the last word.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // The error of tempfile names the temporary file, which is nobody's business.
    (builder.tempfile_in(directory(path))).map_err(|error| match error.kind() {
        ErrorKind::NotFound => io::Error::new(ErrorKind::NotFound, "there is no such directory"),
        kind => kind.into(),
    })
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Gives the new file the owner and the permissions of the one it replaces, if there is one.
fn inherit(path: &Path, new: &File) -> io::Result<()> {
    let Ok(old) = fs::metadata(path) else {
        return Ok(());
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        // Only root may; for others the file is theirs, as any new file is.
        let _ = fchown(new, Some(old.uid()), Some(old.gid()));
    }
    new.set_permissions(old.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) -> io::Result<()> {
        deliver(&Destination::named(path.to_owned()), |out| {
            out.write_all(text.as_bytes())
        })
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_and_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("report.json");
        put(&path, "one").unwrap();
        put(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(names(home.path()), ["report.json"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("report.json");
        put(&path, "old").unwrap();
        let result = deliver(&Destination::File(path.clone()), |out| {
            out.write_all(&vec![b'x'; 100_000])?;
            Err(io::Error::other("full"))
        });
        assert!(result.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(home.path()), ["report.json"]);
    }

    #[test]
    fn checking_leaves_nothing_and_names_what_is_missing() {
        let home = tempfile::tempdir().unwrap();
        Destination::File(home.path().join("report"))
            .check()
            .unwrap();
        assert!(names(home.path()).is_empty());
        let nowhere = Destination::File(home.path().join("no/such/report"));
        assert_eq!(nowhere.check().unwrap_err().kind(), ErrorKind::NotFound);
        assert!(Destination::File(home.path().to_owned()).check().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("deep")).unwrap();
        let (link, file) = (home.path().join("link"), home.path().join("deep/file"));
        symlink("deep/file", &link).unwrap();
        put(&link, "through a dangling link").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        put(&link, "again").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "again");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o640
        );
        symlink("round", home.path().join("round")).unwrap();
        assert!(put(&home.path().join("round"), "x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_written_to_directly() {
        put(Path::new("/dev/null"), "gone").unwrap();
        if Path::new("/dev/full").exists() {
            assert!(put(Path::new("/dev/full"), "no room").is_err());
        }
    }

    /// A pipe whose reader has gone.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        patient(BufWriter::new(Gone), |out| out.write_all(b"report")).unwrap();
        patient(BufWriter::new(Gone), |out| out.write_all(&vec![0; 100_000])).unwrap();
    }
}
