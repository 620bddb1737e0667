// How to reach a broker: servers, credentials and TLS, as libnats takes them.
//
// Thread contract: plain values; make_nats_options() reads the files that are named.
// Errors: UsageError for what libnats refuses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/forward/nats_handles.h"

namespace tcpeek::forward {

struct BrokerOptions {
  std::vector<std::string> servers{"nats://127.0.0.1:4222"};
  std::string name;         // of this client, shown by the broker
  std::string credentials;  // a file with a JWT and its seed
  std::string secret_file;  // a file with user:password or a token
  bool tls = false;         // also where no server is tls://
  std::string tls_ca;       // files in PEM
  std::string tls_certificate;
  std::string tls_key;
};

// A server's URL as it may be shown: without user, password or token.
[[nodiscard]] std::string without_login(std::string_view url);

[[nodiscard]] NatsOptions make_nats_options(const BrokerOptions& options);

}  // namespace tcpeek::forward
