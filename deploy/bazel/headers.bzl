"""An aspect that compiles each public header alone.

bazel build TARGETS --aspects=//deploy/bazel:headers.bzl%compile_headers \\
    --output_groups=headers
"""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _compile_headers_impl(target, ctx):
    if ctx.rule.kind != "cc_library":
        return []
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        # The library's own compilation checks the layers.
        unsupported_features = ctx.disabled_features + ["layering_check"],
    )
    objects = []
    for header in [f for hdr in ctx.rule.attr.hdrs for f in hdr.files.to_list()]:
        name = "%s_alone/%s" % (ctx.label.name, header.basename)
        source = ctx.actions.declare_file(name + ".cc")
        ctx.actions.write(source, "#include \"%s\"\n" % header.short_path)
        _, outputs = cc_common.compile(
            name = name,
            actions = ctx.actions,
            feature_configuration = features,
            cc_toolchain = toolchain,
            srcs = [source],
            compilation_contexts = [target[CcInfo].compilation_context],
        )
        objects += outputs.objects + outputs.pic_objects
    return [OutputGroupInfo(headers = depset(objects))]

compile_headers = aspect(
    implementation = _compile_headers_impl,
    attrs = {
        "_cc_toolchain": attr.label(
            default = "@bazel_tools//tools/cpp:current_cc_toolchain",
        ),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
