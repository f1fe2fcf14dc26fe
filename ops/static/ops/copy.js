// Copies the text of the field that a button names; without a clipboard the text is selected to be copied by hand.
(() => {
  'use strict';

  for (const button of document.querySelectorAll('button[data-copies]')) {
    const field = document.getElementById(button.dataset.copies);
    if (!field) continue;
    button.hidden = false;
    button.addEventListener('click', async () => {
      field.select();
      try {
        await navigator.clipboard.writeText(field.value);
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Selected: press Ctrl+C';
      }
    });
  }
})();
