#include "flowtable/key_hash.h"

#define XXH_INLINE_ALL  // makes the library header-only
#include <xxhash.h>

namespace tcpeek::flowtable {

static_assert(KeyHash::kSecretBytes >= XXH3_SECRET_SIZE_MIN);

std::uint64_t KeyHash::operator()(const FlowKey& key) const noexcept {
  return XXH3_64bits_withSecret(&key, sizeof(key), secret_.data(), secret_.size());
}

}  // namespace tcpeek::flowtable
