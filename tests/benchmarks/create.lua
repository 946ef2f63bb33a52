-- Each request creates a new task. The arguments are the key, a body, and the run's number.

local count = 0
local key, body, run

function init(arguments)
  key, body, run = arguments[1], arguments[2], arguments[3]
  wrk.headers["Authorization"] = "Bearer " .. key
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  count = count + 1
  local unique_id = string.format("wrk-%03d-%08d", run, count)
  return wrk.format("POST", nil, nil, (body:gsub("frame%-%d+", unique_id)))
end
