// What ThreadSanitizer reports here although it is none.
//
// ConcurrentQueue writes into a block again once all of its flags say that it was read; it reads
// the flags relaxed and then fences (Block::is_empty). ThreadSanitizer does not know fences.

#if defined(__SANITIZE_THREAD__)
#define TCPEEK_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TCPEEK_THREAD_SANITIZER 1
#endif
#endif

#ifdef TCPEEK_THREAD_SANITIZER
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:moodycamel::ConcurrentQueue<*ExplicitProducer::enqueue\n";
}
#endif
