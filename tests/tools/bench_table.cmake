# Lets `tweedie-bench --table` (BENCH=path) print reports: one that it makes, and ones made up in FOLDER.
#   cmake -DBENCH=bin/tweedie-bench -DFOLDER=somewhere -P bench_table.cmake
file(MAKE_DIRECTORY ${FOLDER})

function(bench code_expected)
  execute_process(COMMAND ${BENCH} ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE errors)
  if(NOT code EQUAL ${code_expected})
    message(FATAL_ERROR "${ARGN}: exit code ${code}, expected ${code_expected}: ${text}${errors}")
  endif()
  set(text "${text}" PARENT_SCOPE)
  set(errors "${errors}" PARENT_SCOPE)
endfunction()

function(expect where words)
  if(NOT ${where} MATCHES "${words}")
    message(FATAL_ERROR "expected '${words}' in: ${${where}}")
  endif()
endfunction()

file(WRITE ${FOLDER}/network.json "{\"image_size\": 16, \"num_channels\": 32, \"num_res_blocks\": 1, \"channel_mult\": \"1,2\", \"attention_resolutions\": \"8\", \"num_heads\": 2, \"learn_sigma\": true}")
bench(0 --device cpu --config ${FOLDER}/network.json --repeats 2 --json)
file(WRITE ${FOLDER}/own.json "${text}")
file(WRITE ${FOLDER}/other.json "{\"model\": \"ffhq256\", \"precision\": \"tf32\", \"device\": \"NVIDIA H100\", \"batch\": 4, \"image\": [256, 128], \"step_seconds\": 0.0321, \"step_over_convolution\": 1.234, \"peak_bytes_above_weights\": 1610612736}")

bench(0 --table ${FOLDER}/own.json ${FOLDER}/other.json)
expect(text "^model +precision +batch +image +step ms +step / convolutions +GiB above weights +device\n")
expect(text "\n[^\n]*network.json +fp32 +1 +16x16 +[0-9.]+ +[0-9.]+ +0.0[0-9] +[^\n]+\n")
expect(text "\nffhq256 +tf32 +4 +256x128 +32.10 +1.23 +1.50 +NVIDIA H100\n$")

file(WRITE ${FOLDER}/kernels.json "{\"device\": \"a machine\", \"rows\": []}")
bench(2 --table ${FOLDER}/other.json ${FOLDER}/kernels.json)
expect(errors "kernels.json: no report of a step")
bench(2 --table ${FOLDER}/missing.json)
expect(errors "missing.json")
file(WRITE ${FOLDER}/empty.json "")
bench(2 --table ${FOLDER}/empty.json)
expect(errors "empty.json")
bench(2 --table ${FOLDER}/own.json --model ffhq256)
expect(errors "--table")
