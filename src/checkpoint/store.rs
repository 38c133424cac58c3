//! One file that is in the old state or in the new one, whatever happens in between.
//!
//! `SQLite`, since what it is asked for here is what it is best at: one writer, one transaction a run, a rollback
//! journal that survives kill -9, power loss and a full disk, tested for it more than anything else that can be
//! embedded; and a file that people can look into with tools that they have. (redb would save a C compiler, and
//! has neither the tools nor the years.) The states are packed by themselves, each with a checksum: `SQLite` has
//! none of its own.
//!
//! - `synchronous = EXTRA`: the directory is synced as well, so that a journal that was deleted stays so.
//! - The write lock is taken when the file is opened and held to the end: a second run is refused at once.
//! - A new file is made beside its place and moved there whole: an empty one is damage, never a beginning.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};

use crate::pipeline::{self, Held, Shelf};

/// In the header of the file, so that `file` and others can tell whose it is: "satr".
const APPLICATION: i32 = 0x7361_7472;

/// How long a commit waits for people who look into the file.
const PATIENCE: Duration = Duration::from_secs(30);

const SCHEMA: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- What was read, packed: days of the log, files and how far they were read.
CREATE TABLE part (name TEXT PRIMARY KEY, bytes BLOB NOT NULL);
-- What was found, and what became of it. Times are RFC 3339; body is the finding as JSON.
CREATE TABLE finding (
    fingerprint TEXT PRIMARY KEY,
    detector TEXT NOT NULL,
    subject TEXT NOT NULL,
    severity TEXT NOT NULL,
    status TEXT NOT NULL,
    status_since TEXT NOT NULL,
    first_reported TEXT NOT NULL,
    told INTEGER NOT NULL,
    history TEXT NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE suppression (
    fingerprint TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    owner TEXT NOT NULL,
    expires TEXT NOT NULL,
    created TEXT NOT NULL,
    severity_at_most TEXT NOT NULL,
    -- What it is about, if the finding was known when it was suppressed.
    detector TEXT,
    subject TEXT
) WITHOUT ROWID;
";

/// Why a state could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another run has it.
    #[error("{0} is in use by another run of satrail: this one has done nothing")]
    Busy(String),
    /// Something else is there.
    #[error("{path} is no state of satrail ({why}): name another file with --state")]
    Foreign {
        /// The file.
        path: String,
        /// What it is.
        why: String,
    },
    /// Another version has written it.
    #[error(
        "{path} was written by another version of satrail (its states are of version {found}, ours of version {ours}): \
         go on with that version, or move the file away to begin anew with what the logs still hold"
    )]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: String,
        /// The version that can be read.
        ours: String,
    },
    /// It cannot be trusted any more.
    #[error(
        "{path} is damaged ({why}): nothing was changed; put a backup in its place, or move it away to begin anew with \
         what the logs still hold"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The disk is full, the directory is missing, permissions lack.
    #[error("cannot use {path}: {why}; the last state that was saved is as it was")]
    Unusable {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The run itself failed.
    #[error(transparent)]
    Run(#[from] pipeline::Error),
}

/// How large a state is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// The file, in bytes.
    pub bytes: u64,
    /// Days of the log that are held.
    pub days: usize,
}

/// An open state, with the write lock.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    connection: Connection,
}

impl Store {
    /// Opens the state, or makes an empty one; takes the lock until it is dropped.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let missing = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Err(foreign(path, "it is a directory")),
            Ok(found) if found.len() == 0 => return Err(damaged(path, "it is empty")),
            Ok(_) => {}
            Err(error) if missing(&error) => create(path)?,
            Err(error) => return Err(unusable(path, &error)),
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|e| of(path, &e))?;
        let store = Self {
            path: path.to_owned(),
            connection,
        };
        store.lock()?;
        store.check()?;
        Ok(store)
    }

    fn lock(&self) -> Result<(), Error> {
        let taken = self
            .connection
            .busy_timeout(Duration::ZERO)
            .and_then(|()| self.connection.execute_batch(SETTINGS))
            .and_then(|()| self.connection.execute_batch("BEGIN IMMEDIATE"))
            .and_then(|()| self.connection.busy_timeout(PATIENCE));
        taken.map_err(|error| self.error(&error))
    }

    /// Whether it is ours, of this version, and whole.
    fn check(&self) -> Result<(), Error> {
        let number = |name: &str| -> Result<i32, Error> {
            let read = self
                .connection
                .pragma_query_value(None, name, |row| row.get(0));
            read.map_err(|error| self.error(&error))
        };
        if number("application_id")? != APPLICATION {
            return Err(foreign(&self.path, "it is a database of another program"));
        }
        // SQLite takes the missing end of a last page for zeros.
        let bytes = |count: i32, size: i32| u64::try_from(i64::from(count) * i64::from(size));
        let pages = bytes(number("page_count")?, number("page_size")?);
        let stored = self.bytes()?;
        if pages.is_ok_and(|bytes| stored < bytes) {
            return Err(damaged(&self.path, "its end is missing"));
        }
        // Looks at every page; a torn one would show here and not in the middle of a run.
        let checked: Result<String, _> =
            (self.connection).query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        let checked = checked.map_err(|error| self.error(&error))?;
        if checked != "ok" {
            return Err(damaged(&self.path, &checked));
        }
        let found = self.meta("format")?.unwrap_or_default();
        let ours = version();
        if found != ours {
            return Err(Error::Version {
                path: shown(&self.path),
                found,
                ours,
            });
        }
        Ok(())
    }

    /// Keeps everything that was written; takes the lock again for what is to come.
    pub(super) fn commit(&self) -> Result<(), Error> {
        let committed = self.connection.execute_batch("COMMIT");
        committed.map_err(|error| self.error(&error))?;
        let again = self.connection.execute_batch("BEGIN IMMEDIATE");
        again.map_err(|error| self.error(&error))
    }

    pub(super) fn meta(&self, name: &str) -> Result<Option<String>, Error> {
        let query = "SELECT value FROM meta WHERE name = ?1";
        let read = self.connection.query_row(query, [name], |row| row.get(0));
        read.optional().map_err(|error| self.error(&error))
    }

    pub(super) fn set_meta(&self, name: &str, value: &str) -> Result<(), Error> {
        let query = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
        self.execute(query, [name, value])
    }

    /// What is kept under a name of its own, beside the parts of what is held.
    pub(super) fn book(&self) -> Result<Option<Vec<u8>>, Error> {
        self.part(BOOK)
    }

    /// Writes that.
    pub(super) fn put_book(&self, bytes: &[u8]) -> Result<(), Error> {
        self.put(BOOK, Some(bytes))
    }

    pub(super) fn rows<T>(
        &self,
        query: &str,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let all = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.connection.prepare(query)?;
            let rows = statement.query_map([], read)?;
            rows.collect()
        };
        all().map_err(|error| self.error(&error))
    }

    /// Shows every row, one at a time.
    pub(super) fn each(
        &self,
        query: &str,
        mut see: impl FnMut(&rusqlite::Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let failed = |error: rusqlite::Error| self.error(&error);
        let mut statement = self.connection.prepare(query).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            see(row)?;
        }
        Ok(())
    }

    pub(super) fn execute(&self, query: &str, values: impl rusqlite::Params) -> Result<(), Error> {
        let done = || self.connection.prepare(query)?.execute(values);
        done().map(drop).map_err(|error| self.error(&error))
    }

    /// How large the file is.
    pub(super) fn bytes(&self) -> Result<u64, Error> {
        let file = fs::metadata(&self.path);
        file.map(|file| file.len())
            .map_err(|error| unusable(&self.path, &error))
    }

    pub(super) fn damaged(&self, why: &str) -> Error {
        damaged(&self.path, why)
    }

    pub(super) fn error(&self, error: &rusqlite::Error) -> Error {
        of(&self.path, error)
    }

    /// The same error, with the state's name where it speaks of a part of it.
    pub(super) fn named(&self, error: Error) -> Error {
        match error {
            Error::Run(part @ pipeline::Error::Part { .. }) => self.damaged(&part.to_string()),
            other => other,
        }
    }
}

impl Shelf for Store {
    type Error = Error;

    fn names(&self) -> Result<Vec<String>, Error> {
        let query = "SELECT name FROM part ORDER BY name";
        let mut names = self.rows(query, |row| row.get(0))?;
        names.retain(|name| name != BOOK);
        Ok(names)
    }

    fn part(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let query = "SELECT bytes FROM part WHERE name = ?1";
        let read = self.connection.query_row(query, [name], |row| row.get(0));
        read.optional().map_err(|error| self.error(&error))
    }

    fn put(&self, name: &str, packed: Option<&[u8]>) -> Result<(), Error> {
        match packed {
            Some(bytes) => {
                let query = "INSERT INTO part VALUES (?1, ?2) ON CONFLICT DO UPDATE SET bytes = ?2";
                self.execute(query, params![name, bytes])
            }
            None => self.execute("DELETE FROM part WHERE name = ?1", [name]),
        }
    }
}

/// Which file was read how far: a part that is none of the pipeline's.
const BOOK: &str = "files";

/// The version of the tables and the book; to be raised whenever one of them changes.
const TABLES: u32 = 1;

/// The version of all that is in a state.
fn version() -> String {
    format!("{}.{TABLES}", Held::version())
}

/// The journal is deleted at the end of a transaction, and that is what ends it.
const SETTINGS: &str = "
PRAGMA journal_mode = DELETE;
PRAGMA synchronous = EXTRA;
PRAGMA cell_size_check = ON;
PRAGMA temp_store = MEMORY;
";

/// Makes an empty state beside its place and moves it there, unless somebody else was faster.
fn create(path: &Path) -> Result<(), Error> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    let temporary = builder
        .prefix(".satrail-")
        .suffix(".tmp")
        .tempfile_in(directory);
    let temporary = temporary.map_err(|error| match error.kind() {
        ErrorKind::NotFound => unusable(path, &"there is no such directory"),
        kind => unusable(path, &io::Error::from(kind)),
    })?;
    let fill = || -> rusqlite::Result<()> {
        let connection = Connection::open(temporary.path())?;
        connection.execute_batch(SETTINGS)?;
        // Freed pages are given back as days are forgotten; it can be set before the first table only.
        connection.execute_batch("PRAGMA auto_vacuum = FULL; BEGIN;")?;
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.execute_batch(SCHEMA)?;
        let made = "INSERT INTO meta VALUES ('format', ?1), ('made_by', ?2)";
        connection.execute(made, [&version(), env!("CARGO_PKG_VERSION")])?;
        connection.execute_batch("COMMIT")?;
        connection.close().map_err(|(_, error)| error)
    };
    fill().map_err(|error| of(path, &error))?;
    match temporary.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unusable(path, &error.error)),
    }
}

fn of(path: &Path, error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy(shown(path)),
        Some(ErrorCode::NotADatabase) => foreign(
            path,
            "it is no SQLite database, or its beginning is damaged",
        ),
        // Unknown: a table or a column that is not there.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => damaged(path, &error.to_string()),
        _ => unusable(path, error),
    }
}

fn foreign(path: &Path, why: &str) -> Error {
    Error::Foreign {
        path: shown(path),
        why: why.to_owned(),
    }
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::Damaged {
        path: shown(path),
        why: why.to_owned(),
    }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Unusable {
        path: shown(path),
        why: why.to_string(),
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
