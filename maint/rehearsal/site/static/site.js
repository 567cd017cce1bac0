"use strict";
// What a WebForms page needs, and nothing more.
function __doPostBack(target, argument) {
  const form = document.getElementById("aspnetForm");
  form.elements["__EVENTTARGET"].value = target;
  form.elements["__EVENTARGUMENT"].value = argument;
  form.submit();
}

document.addEventListener("DOMContentLoaded", () => {
  for (const control of document.querySelectorAll("[data-autopostback]")) {
    control.addEventListener("change", () => __doPostBack(control.dataset.autopostback, ""));
  }
  const form = document.getElementById("aspnetForm");
  if (form && form.dataset.default) {
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input:not([type=checkbox])")) {
        event.preventDefault();
        __doPostBack(form.dataset.default, "");
      }
    });
  }
  for (const button of document.querySelectorAll("button[aria-controls]")) {
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      document.getElementById(button.getAttribute("aria-controls")).hidden = open;
    });
  }
});
