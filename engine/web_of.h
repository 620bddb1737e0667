// What the HTTP server is given for --web: the page, names of ports, and who answers its questions. Made before
// privileges are dropped, as it reads services(5).
//
// Thread contract: the main thread's.
#pragma once

#include <string>

#include "engine/serve/request_handler.h"
#include "ipc/http_server.h"

namespace tcpeek::engine {

// `handler` outlives the server.
[[nodiscard]] ipc::HttpServer::Web web_of(const std::string& boot, RequestHandler& handler);

}  // namespace tcpeek::engine
