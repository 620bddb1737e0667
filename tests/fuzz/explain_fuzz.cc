// EXPLAIN from any figures: what must hold of every finding, and a reply that parses.

#include "tests/engine/explain/any_input.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tcpeek::engine;
  FuzzedDataProvider provider(data, size);
  const auto next = [&](std::uint64_t most) {
    return provider.ConsumeIntegralInRange<std::uint64_t>(0, most);
  };
  const ExplainInput input = test::AnyInput(next).input();
  test::check_explanation(input, explain(input));
  return 0;
}
