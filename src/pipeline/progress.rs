//! How a run says how far it is, to whoever wants to show it.

/// Told by the pipeline's threads as they go; must be cheap.
pub trait Progress: Sync {
    /// How many stored bytes there are to read; `None` if that is not known (a pipe).
    fn total(&self, bytes: Option<u64>);

    /// So many more stored bytes are done.
    fn advance(&self, bytes: u64);

    /// This file is being started. Its name is hostile.
    fn file(&self, name: &str);
}

/// For runs that nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn total(&self, _bytes: Option<u64>) {}

    fn advance(&self, _bytes: u64) {}

    fn file(&self, _name: &str) {}
}
