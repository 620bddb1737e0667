// What libFuzzer calls, of the targets of provided.h.
#include "tests/fuzz/provided.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  tcpeek::fuzz::run(input);
  return 0;
}
