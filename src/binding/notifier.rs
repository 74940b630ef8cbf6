//! Calls `onAnswers` of JavaScript from any thread, and keeps the process alive while calls are pending.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, Status, sys};

use super::text::Text;
use crate::answers::Outbox;

/// `(text, more)`.
pub(super) type Answers = FnArgs<(Text, bool)>;

/// It is weak: it keeps the process alive only between [`Notifier::hold`] and [`Notifier::release`].
type FromAnyThread = ThreadsafeFunction<(), (), Answers, Status, false, true>;

/// Wakes the event loop of an instance.
#[derive(Default)]
pub(super) struct Notifier {
    /// `None` once it is closed. Several threads may use it at once.
    function: RwLock<Option<FromAnyThread>>,
    /// Whether it keeps the process alive. Only the event loop's thread uses this.
    holds: AtomicBool,
}

impl Notifier {
    /// Makes a notifier and the outbox that it takes answers from.
    pub fn connect(on_answers: &Function<'_, Answers, ()>) -> Result<(Arc<Self>, Arc<Outbox>)> {
        let notifier = Arc::new(Self::default());
        let rings = Arc::clone(&notifier);
        let outbox = Arc::new(Outbox::new(move || rings.ring()));
        // Weak, or the notifier and the outbox would keep each other for ever.
        let source = Arc::downgrade(&outbox);
        let take = move |_| {
            let batch = source.upgrade().and_then(|outbox| outbox.take());
            let (text, more) = batch.unwrap_or_default();
            Ok(FnArgs::from((Text(text), more)))
        };
        let function = on_answers.build_threadsafe_function::<()>().weak::<true>();
        notifier.replace(Some(function.build_callback(take)?));
        Ok((notifier, outbox))
    }

    /// Drops the function. Otherwise tools such as Jest's `--detectOpenHandles` would report its handle until the instance
    /// is garbage collected.
    pub fn close(&self) {
        self.replace(None);
    }

    fn replace(&self, function: Option<FromAnyThread>) {
        // A thread that panics leaves a whole value.
        *self.function.write().unwrap_or_else(PoisonError::into_inner) = function;
    }

    fn with_function(&self, act: impl FnOnce(&FromAnyThread)) {
        if let Some(function) = &*self.function.read().unwrap_or_else(PoisonError::into_inner) {
            act(function);
        }
    }

    /// Makes the event loop take answers.
    fn ring(&self) {
        self.with_function(|function| {
            // It fails only while the environment ends, and then nobody needs the answers.
            function.call((), ThreadsafeFunctionCallMode::NonBlocking);
        });
    }

    /// Keeps the process alive, because calls are pending.
    pub fn hold(&self, env: Env) {
        if self.holds.swap(true, Ordering::Relaxed) {
            return;
        }
        self.with_function(|function| {
            // SAFETY: this is the event loop's thread, and the function is not closed.
            unsafe { sys::napi_ref_threadsafe_function(env.raw(), function.raw()) };
        });
    }

    /// Lets the process end, because no call is pending.
    pub fn release(&self, env: Env) {
        if !self.holds.swap(false, Ordering::Relaxed) {
            return;
        }
        self.with_function(|function| {
            // SAFETY: as in `hold`.
            unsafe { sys::napi_unref_threadsafe_function(env.raw(), function.raw()) };
        });
    }
}
