//! The threads that a run works on.

use rayon::{
    ThreadPool, ThreadPoolBuilder,
    iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator},
};

/// So many threads; 0: one for each core.
///
/// # Errors
///
/// When the system starts no more of them.
pub(super) fn pool(threads: usize) -> Result<ThreadPool, String> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| format!("cannot start {threads} threads: {error}"))
}

/// Does each of `jobs`, on all threads of the pool that this one belongs to; one after the other if it belongs to none.
pub(super) fn each<T: Send>(jobs: Vec<Box<dyn FnOnce() -> T + Send + '_>>) -> Vec<T> {
    if rayon::current_thread_index().is_none() {
        return jobs.into_iter().map(|job| job()).collect();
    }
    // One at a time: one may take as long as all others together.
    let jobs = jobs.into_par_iter().with_max_len(1);
    jobs.map(|job| job()).collect()
}
