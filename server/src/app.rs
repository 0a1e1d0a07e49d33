//! What a server is made of: what all of its requests share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Semaphore, watch};

use crate::access::UntoldProxies;
use crate::arriving::Arriving;
use crate::config::Config;
use crate::doors::Doors;
use crate::hooks::Calls;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::tries::Tries;

/// What all requests share.
#[derive(Debug)]
pub struct App<S> {
    /// Where uploads and files are kept.
    pub store: Arc<S>,
    /// What the HTTP side was told when it started.
    pub config: Config,
    /// Whether the server was told to stop.
    pub stopping: AtomicBool,
    /// Whether each connection is to end with what is asked on it now, for those that are not told otherwise.
    pub(crate) closing: watch::Sender<bool>,
    /// What has come, to know it when it comes again.
    pub tries: Tries,
    /// The chunks that are on their way in.
    pub arriving: Arriving,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who gets in.
    pub doors: Arc<Doors>,
    /// The files of the site that may still be opened.
    pub(crate) site_files: Arc<Semaphore>,
    /// Whom nobody told it of.
    pub untold_proxies: UntoldProxies,
}

impl<S: Store> App<S> {
    /// A server that is not stopping.
    #[must_use]
    pub fn new(store: Arc<S>, config: Config) -> Self {
        let mut metrics = Metrics::new(store.meters());
        let none = Calls::default();
        metrics.watch_hooks(config.hooks.as_ref().map_or(&none, |hooks| hooks.calls()));
        let metrics = Arc::new(metrics);
        let stopping = AtomicBool::new(false);
        let doors = Arc::new(Doors::new(config.places));
        let site_files = Arc::new(Semaphore::new(config.places.site_files_max as usize));
        let closing = watch::Sender::default();
        let (tries, arriving) = (Tries::default(), Arriving::default());
        let untold_proxies = UntoldProxies::default();
        Self {
            store,
            config,
            stopping,
            closing,
            tries,
            arriving,
            metrics,
            doors,
            site_files,
            untold_proxies,
        }
    }
}
