//! Calls JavaScript's `onAnswers` from any thread, and holds the process while calls are pending.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, Status, sys};

use super::text::Text;
use crate::answers::Outbox;

/// `(text, more)`.
pub(super) type Answers = FnArgs<(Text, bool)>;

/// Does not hold the process unless told to.
type FromAnyThread = ThreadsafeFunction<(), (), Answers, Status, false, true>;

/// An instance's way to JavaScript.
#[derive(Default)]
pub(super) struct Notifier {
    /// Nothing once it is closed. Those who use it do not wait for each other.
    function: RwLock<Option<FromAnyThread>>,
    /// Whether it holds the process. Only the event loop's thread looks.
    holds: AtomicBool,
}

impl Notifier {
    /// Makes one that takes its answers from an outbox.
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

    /// Lets go of JavaScript's function, and with it of the handle that tools such as Jest's
    /// `--detectOpenHandles` would report until the instance is collected.
    pub fn close(&self) {
        self.replace(None);
    }

    fn replace(&self, function: Option<FromAnyThread>) {
        // What a panic leaves is whole.
        *self.function.write().unwrap_or_else(PoisonError::into_inner) = function;
    }

    fn with_function(&self, act: impl FnOnce(&FromAnyThread)) {
        if let Some(function) = &*self.function.read().unwrap_or_else(PoisonError::into_inner) {
            act(function);
        }
    }

    /// Has answers taken, in a turn of the event loop.
    fn ring(&self) {
        self.with_function(|function| {
            // Fails only while the environment is torn down, when nobody listens any more.
            function.call((), ThreadsafeFunctionCallMode::NonBlocking);
        });
    }

    /// Keeps the process alive: calls are pending.
    pub fn hold(&self, env: Env) {
        if self.holds.swap(true, Ordering::Relaxed) {
            return;
        }
        self.with_function(|function| {
            // SAFETY: on the event loop's thread, as Node asks, with a function that lives.
            unsafe { sys::napi_ref_threadsafe_function(env.raw(), function.raw()) };
        });
    }

    /// Lets the process end: no call is pending.
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
