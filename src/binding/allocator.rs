//! The allocator of the addon where the C library is musl, as in Alpine; Node keeps its own.
//!
//! musl's takes the buffers of a batch from the system and gives them back, time and again: `get` makes half as
//! many calls with it, of 1000 in flight. glibc's is no slower than this one.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
